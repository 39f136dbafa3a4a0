import {
  type ASTVisitor,
  GraphQLError,
  Kind,
  OperationTypeNode,
  type SelectionNode,
  type SelectionSetNode,
  type ValidationContext,
} from 'graphql';
import type { Plugin } from 'graphql-yoga';

/** Over every transport: what a subscription follows must not depend on a directive. */
export const refuseConditionalRoots: Plugin = {
  onValidate: ({ addValidationRule, validateFn, setValidationFn }) => {
    addValidationRule(UnconditionalRootRule);
    // graphql-js looks at such a directive itself, and throws when it depends on a variable.
    setValidationFn((...args) => {
      try {
        return validateFn(...args);
      } catch (error) {
        if (error instanceof GraphQLError) return [error];
        throw error;
      }
    });
  },
};

/**
 * A subscription has one root field, and it may not be skipped: graphql-js fails on one without.
 *
 * @see GraphQL, working draft, 5.2.4.1 "Single Root Field": no `@skip` and `@include` there.
 */
function UnconditionalRootRule(context: ValidationContext): ASTVisitor {
  return {
    OperationDefinition: ({ operation, selectionSet }) => {
      if (operation !== OperationTypeNode.SUBSCRIPTION) return;
      for (const selection of rootSelections(selectionSet, context, new Set())) {
        const directive = selection.directives?.find(({ name }) => name.value === 'skip' || name.value === 'include');
        if (directive === undefined) continue;
        const message = `@${directive.name.value} is not allowed at the root of a subscription.`;
        context.reportError(new GraphQLError(message, { nodes: directive }));
      }
    },
  };
}

/** The selections at the root, through fragments; each fragment once. */
function rootSelections(
  { selections }: SelectionSetNode,
  context: ValidationContext,
  seen: Set<string>,
): readonly SelectionNode[] {
  return selections.flatMap((selection): readonly SelectionNode[] => {
    switch (selection.kind) {
      case Kind.FIELD:
        return [selection];
      case Kind.INLINE_FRAGMENT:
        return [selection, ...rootSelections(selection.selectionSet, context, seen)];
      case Kind.FRAGMENT_SPREAD: {
        const name = selection.name.value;
        const fragment = seen.has(name) ? undefined : context.getFragment(name);
        seen.add(name);
        const inside =
          fragment === undefined || fragment === null ? [] : rootSelections(fragment.selectionSet, context, seen);
        return [selection, ...inside];
      }
    }
  });
}
